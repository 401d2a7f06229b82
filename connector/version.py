"""The name and the version of the distribution, defined once."""

DISTRIBUTION = "azure-openai-service-connector"
__version__ = "0.1.0"
