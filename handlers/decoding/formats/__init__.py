"""What is read of the files of encoded pictures without Pillow, by format; their EXIF orientation."""
