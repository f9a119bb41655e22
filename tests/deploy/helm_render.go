// helm_render - what "helm template" does, as far as this project's chart needs it: values over values, the templates with sprig's functions and helm's own,
// on standard output. There is no helm in Debian; what this cannot show is that helm itself does the same: hooks, upgrades, the cluster's answer.
//
// usage: helm_render CHART RELEASE [VALUES.json ...]
//
// Values come as JSON (values.yaml, too: the caller converts); Chart.yaml likewise as the first VALUES file named chart.json.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
)

type files struct{ root string }

// Get is .Files.Get: the file's text, "" without one.
func (f files) Get(name string) string {
	text, err := os.ReadFile(filepath.Join(f.root, name))
	if err != nil {
		return ""
	}
	return string(text)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "Error:", err)
	os.Exit(1)
}

func readJSON(path string) map[string]interface{} {
	text, err := os.ReadFile(path)
	if err != nil {
		fail(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value map[string]interface{}
	if err := decoder.Decode(&value); err != nil {
		fail(fmt.Errorf("%s: %w", path, err))
	}
	return numbers(value).(map[string]interface{})
}

// numbers: whole ones stay whole, as helm has them.
func numbers(value interface{}) interface{} {
	switch v := value.(type) {
	case map[string]interface{}:
		for key := range v {
			v[key] = numbers(v[key])
		}
	case []interface{}:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case json.Number:
		if whole, err := v.Int64(); err == nil {
			return whole
		}
		float, _ := v.Float64()
		return float
	}
	return value
}

// merge lays what is above over what is below; null takes a key away.
func merge(below, above map[string]interface{}) map[string]interface{} {
	for key, value := range above {
		lower, isMap := below[key].(map[string]interface{})
		upper, both := value.(map[string]interface{})
		if value == nil {
			delete(below, key)
		} else if isMap && both {
			below[key] = merge(lower, upper)
		} else {
			below[key] = value
		}
	}
	return below
}

func isPlain(text string) bool {
	if text == "" || strings.TrimSpace(text) != text {
		return false
	}
	for i, c := range text {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '/'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '.' || c == '-')) {
			return false
		}
	}
	switch strings.ToLower(text) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		return false
	}
	return true
}

func scalar(value interface{}) string {
	if text, ok := value.(string); ok && isPlain(text) {
		return text
	}
	text, err := json.Marshal(value)
	if err != nil {
		fail(err)
	}
	return string(text)
}

// toYAML in block style: what stands one level down is indented by two.
func toYAML(value interface{}) string {
	lines := []string{}
	switch v := value.(type) {
	case map[string]interface{}:
		keys := make([]string, 0, len(v))
		for key := range v {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		for _, key := range keys {
			lines = append(lines, member(scalar(key)+":", v[key], "  ")...)
		}
		if len(keys) == 0 {
			return "{}"
		}
	case []interface{}:
		for _, item := range v {
			block := strings.Split(toYAML(item), "\n")
			for i := range block {
				lead := "  "
				if i == 0 {
					lead = "- "
				}
				lines = append(lines, lead+block[i])
			}
		}
		if len(v) == 0 {
			return "[]"
		}
	default:
		return scalar(value)
	}
	return strings.Join(lines, "\n")
}

func member(head string, value interface{}, indent string) []string {
	text := toYAML(value)
	_, isMap := value.(map[string]interface{})
	_, isList := value.([]interface{})
	if !isMap && !isList || text == "{}" || text == "[]" {
		return []string{head + " " + text}
	}
	lines := []string{head}
	for _, line := range strings.Split(text, "\n") {
		lines = append(lines, indent+line)
	}
	return lines
}

func functions(all *template.Template) template.FuncMap {
	known := sprig.TxtFuncMap()
	known["toYaml"] = toYAML
	known["include"] = func(name string, data interface{}) (string, error) {
		var out strings.Builder
		err := all.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	known["required"] = func(message string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, errors.New(message)
		}
		return value, nil
	}
	known["fail"] = func(message string) (string, error) { return "", errors.New(message) }
	known["tpl"] = func(text string, data interface{}) (string, error) {
		one, err := template.Must(all.Clone()).New("tpl").Parse(text)
		if err != nil {
			return "", err
		}
		var out strings.Builder
		err = one.Execute(&out, data)
		return out.String(), err
	}
	return known
}

func main() {
	if len(os.Args) < 4 {
		fail(errors.New("usage: helm_render CHART RELEASE CHART.json VALUES.json ..."))
	}
	chart, release := os.Args[1], os.Args[2]
	facts := readJSON(os.Args[3])
	values := map[string]interface{}{}
	for _, path := range os.Args[4:] {
		values = merge(values, readJSON(path))
	}
	capital := map[string]interface{}{}
	for key, value := range facts {
		capital[strings.ToUpper(key[:1])+key[1:]] = value
	}
	data := map[string]interface{}{
		"Values": values, "Chart": capital, "Files": files{chart},
		"Release": map[string]interface{}{"Name": release, "Namespace": "default", "Service": "Helm", "IsInstall": true, "IsUpgrade": false},
	}
	all := template.New("chart").Option("missingkey=zero")
	all.Funcs(functions(all))
	names := []string{}
	err := filepath.Walk(filepath.Join(chart, "templates"), func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil {
			name, _ := filepath.Rel(chart, path)
			_, err = all.New(name).Parse(string(text))
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		fail(err)
	}
	sort.Strings(names)
	for _, name := range names {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		var out strings.Builder
		if err := all.ExecuteTemplate(&out, name, data); err != nil {
			fail(err)
		}
		fmt.Printf("---\n# Source: %s\n%s\n", name, strings.ReplaceAll(out.String(), "<no value>", ""))
	}
}
