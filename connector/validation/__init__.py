"""Cleans and validates inputs: conversion, defaults, JSON Schema, messages."""
