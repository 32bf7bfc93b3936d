"""Cameras and video files in, clips out, by FFmpeg. The only modules of the player that import PyAV."""
