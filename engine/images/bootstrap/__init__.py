"""Base images from a distribution's signed archive: Debian and Ubuntu, without debootstrap, mmdebstrap or apt."""
