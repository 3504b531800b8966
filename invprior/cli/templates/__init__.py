"""Templates of the modules that `invprior plugin new` writes, one for each kind; `Mine` becomes the class's name."""
