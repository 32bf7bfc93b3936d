"""What `framehook infer` takes and writes: pictures, videos, reports."""
