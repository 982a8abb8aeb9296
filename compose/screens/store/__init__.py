"""What the engine says, folded into one frozen state: state, read, fold and derive are pure; feed has the effects."""
