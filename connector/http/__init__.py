"""Sends one request and reads one response, with strict checks and limits.

The only package that imports requests and urllib3.
"""
