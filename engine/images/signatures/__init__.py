"""Who must have signed an image before it is pulled: policy, and the formats of cosign and Notary, with keys that are given."""
