"""Read and write images, arrays and other files."""
