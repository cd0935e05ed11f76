// Tracetext turns the test data of Go's trace reader into trace files, by Go's
// own raw tools.
//
//	tracetext FOLDER FILE...
//
// For NAME.test, which has a trace as text, it writes NAME.test.trace, and
// NAME.test.text, the text of these bytes as Go prints it. For an entry of the
// fuzzer's corpus it writes NAME.trace.
//
// The packages it imports are internal to Go's tree, so this file is built with
// an overlay that puts it there.
package main

import (
	"bytes"
	"fmt"
	"internal/trace/raw"
	"internal/trace/testtrace"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: tracetext FOLDER FILE...")
		os.Exit(2)
	}
	for _, name := range os.Args[2:] {
		if err := convert(os.Args[1], name); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
	}
}

func convert(folder, name string) error {
	base := filepath.Join(folder, filepath.Base(name))
	if !strings.HasSuffix(name, ".test") {
		data, err := fuzzed(name)
		if err != nil {
			return err
		}
		return os.WriteFile(base+".trace", data, 0o666)
	}
	r, _, _, err := testtrace.ParseFile(name)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	text, err := textOf(data)
	if err != nil {
		return err
	}
	if err := os.WriteFile(base+".text", text, 0o666); err != nil {
		return err
	}
	return os.WriteFile(base+".trace", data, 0o666)
}

// textOf prints a trace.
func textOf(data []byte) ([]byte, error) {
	r, err := raw.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	w, err := raw.NewTextWriter(&text, r.Version())
	if err != nil {
		return nil, err
	}
	for {
		event, err := r.ReadEvent()
		if err == io.EOF {
			return text.Bytes(), nil
		}
		if err != nil {
			return nil, err
		}
		if err := w.WriteEvent(event); err != nil {
			return nil, err
		}
	}
}

// fuzzed reads an entry of the fuzzer's corpus, one string literal.
func fuzzed(name string) ([]byte, error) {
	file, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	value, ok := strings.CutPrefix(string(file), "go test fuzz v1\n[]byte(")
	if !ok {
		return nil, fmt.Errorf("not an entry of a corpus with one argument")
	}
	value, ok = strings.CutSuffix(strings.TrimSpace(value), ")")
	if !ok {
		return nil, fmt.Errorf("no closing parenthesis")
	}
	text, err := strconv.Unquote(value)
	return []byte(text), err
}
