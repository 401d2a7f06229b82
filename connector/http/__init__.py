"""Sends one request and reads one response, hardened.

The only package that imports requests and urllib3.
"""
