"""What the engine says, folded into one frozen state: state, fold, derive and frames are pure; feed has the effects."""
