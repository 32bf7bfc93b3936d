#!/usr/bin/env bash
# Posts a camera to framehook with FFmpeg (5 or newer): camera-ffmpeg.sh SOURCE STREAM [URL]
# SOURCE is an RTSP address, or a video file, which is repeated. Watch it at /stream/STREAM.
# Prints what is found. FPS is the number of frames a second (default 5), TOKEN a token if the service needs one.
# Ends some seconds after the camera has fallen silent: systemd starts it again, see framehook-camera@.service.
set -euo pipefail
source=${1:?expected the address of a camera, or a video file} stream=${2:?expected a name for the stream}
url=${3:-http://127.0.0.1:8080/inference}
client=$(dirname "$0")/../client.py

case $source in
    rtsp://* | rtsps://*) input=(-rtsp_transport tcp -timeout 5000000 -i "$source") ;;
    *) input=(-re -stream_loop -1 -i "$source") ;;
esac
ffmpeg -nostdin -loglevel error "${input[@]}" -an -vf "fps=${FPS:-5}" -c:v mjpeg -q:v 4 -f image2pipe - |
    "$client" --url "$url" --stream "$stream" -
