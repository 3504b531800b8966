"""The modules that `invprior plugin new` writes, one for each kind; `Mine` stands for the class's name."""
