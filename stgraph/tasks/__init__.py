"""Tasks: which inputs and heads a model needs, and the loss and errors of a batch. One folder each."""
