"""The small package that the notebooks of the auto-encoder course import.

Data flows one way, and a module imports only from modules before it:
settings → provenance → data → text → metrics → layers → models → corruption → filters → training →
pretraining → retrieval → generation → critic → plotting → widgets → claims.
"""
