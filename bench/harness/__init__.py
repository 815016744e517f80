"""The benchmark's harness: servers, prepared requests, wrk, tables."""
