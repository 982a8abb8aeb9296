"""Kubernetes' objects as types, with the fields that are written or read here: the API reference, v1.37. Only type checkers read
these modules. What the server gives is checked where it arrives (`client.checked`); a field that it leaves out is missing."""
