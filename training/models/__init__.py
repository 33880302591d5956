"""The network and the heads: trained, fitted, calibrated, exported and written."""
