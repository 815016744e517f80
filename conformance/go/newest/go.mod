module conformance/newest

go 1.26.8
