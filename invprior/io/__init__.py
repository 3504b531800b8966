"""Images, arrays and other files: read and write."""
