module conformance/v6

go 1.26.8

require github.com/workos/workos-go/v6 v6.5.0 // indirect
