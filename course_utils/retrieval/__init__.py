"""The nearest neighbours of a query in a collection: exact, unless faiss is asked for an approximate answer."""

from course_utils.retrieval.code_search import CodeSearch, search_precision, search_precisions
from course_utils.retrieval.index import Metric, Neighbours, SearchError, SearchIndex, Vectors

__all__ = ["CodeSearch", "Metric", "Neighbours", "SearchError", "SearchIndex", "Vectors", "search_precision",
           "search_precisions"]  # fmt: skip
