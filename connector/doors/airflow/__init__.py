"""The door for Apache Airflow: a provider with a hook, an operator and a retry policy.

It needs the extra `airflow`; `provider` alone works without it, because Airflow asks it first.
"""
