"""What lets anybody check the vendor's seals: root files, public keys, signed time."""
