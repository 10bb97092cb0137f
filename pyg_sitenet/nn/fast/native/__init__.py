"""The hidden layer on pairs in compiled form, where there is a C compiler."""
