"""The record: leaves in an RFC 6962 Merkle log, signed checkpoints, a verifier that ships alone."""
