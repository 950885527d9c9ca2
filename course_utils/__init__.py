"""The small package that the notebooks of the auto-encoder course import.

Data flows one way, and a module imports only from modules before it:
checks → environment → settings → provenance → data → text → metrics → layers → inference → models → corruption →
filters → batches → checkpoint → history → processes → mean_loss → model_checks → training → pretraining → retrieval →
text_search → generation → critic → plotting → widgets → claims → experiment.
"""
