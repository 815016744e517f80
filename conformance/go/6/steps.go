package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
)

type step struct {
	name string
	run  func()
}

// walk runs the steps in order and prints one line each; the exit code says whether all went well.
func walk(steps []step) {
	failed := false
	for _, step := range steps {
		if reason := attempt(step.run); reason == "" {
			fmt.Println("ok", step.name)
		} else {
			failed = true
			fmt.Printf("not ok %s\n# %s\n", step.name, strings.Join(strings.Fields(reason), " "))
		}
	}
	if failed {
		os.Exit(1)
	}
}

func attempt(run func()) (reason string) {
	defer func() {
		if found := recover(); found != nil {
			reason = fmt.Sprint(found)
		}
	}()
	run()
	return ""
}

func check(err error) {
	if err != nil {
		panic(fmt.Sprintf("%T: %v", err, err))
	}
}

func ensure(condition bool, what string) {
	if !condition {
		panic(what)
	}
}

func same(what string, found, expected any) {
	ensure(reflect.DeepEqual(found, expected), fmt.Sprintf("%s: %v instead of %v", what, found, expected))
}

// refused returns the error that a call must have ended with, as this type.
func refused[Kind error](_ any, err error) Kind {
	var found Kind
	ensure(errors.As(err, &found), fmt.Sprintf("%T instead of %T: %v", err, found, err))
	return found
}
