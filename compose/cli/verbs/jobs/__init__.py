"""`pycompose jobs`: one module per verb."""
