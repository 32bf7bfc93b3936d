#!/usr/bin/env bash
# Posts a camera to framehook with GStreamer: camera-gstreamer.sh SOURCE STREAM [URL]
# SOURCE is an RTSP address, or a video file, which is shown once. Watch it at /stream/STREAM.
# Prints what is found. FPS is the number of frames a second (default 5), TOKEN a token if the service needs one.
# Ends some seconds after the camera has fallen silent: systemd starts it again, see framehook-camera@.service.
set -euo pipefail
source=${1:?expected the address of a camera, or a video file} stream=${2:?expected a name for the stream}
url=${3:-http://127.0.0.1:8080/inference}
client=$(dirname "$0")/../client.py

case $source in
    rtsp://*) uri=rtspt://${source#*://} in_time=false ;;  # over TCP
    rtsps://*) uri=rtspst://${source#*://} in_time=false ;;
    *) uri=file://$(realpath "$source") in_time=true ;;
esac
gst-launch-1.0 -q uridecodebin uri="$uri" ! watchdog timeout=10000 ! videoconvert ! videorate \
    ! "video/x-raw,framerate=${FPS:-5}/1" ! jpegenc ! fdsink sync="$in_time" |
    "$client" --url "$url" --stream "$stream" -
