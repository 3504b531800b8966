"""Files to arrays, without scaling the values: one module for each library that reads them."""
