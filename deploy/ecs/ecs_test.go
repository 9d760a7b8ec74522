// Package ecs compares the CloudFormation templates of deploy/ecs with the Terraform
// modules and with the files that they contain.
package ecs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/templates"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

const (
	workspace = "arn:aws:aps:eu-west-1:111122223333:workspace/ws-1a2b3c"
	parameter = "arn:aws:ssm:eu-west-1:111122223333:parameter/access-analyzer-exporter"
	image     = "registry.example.org/exporter"
	version   = "1.2.3"
)

func service(t *testing.T, parameters map[string]string) *templates.Stack {
	t.Helper()
	all := map[string]string{
		"TaskRoleArn":  "arn:aws:iam::111122223333:role/access-analyzer-exporter-hub",
		"WorkspaceArn": workspace, "VpcId": "vpc-1", "SubnetIds": "subnet-1", "Image": image, "Version": version,
	}
	maps.Copy(all, parameters)
	return templates.Load(t, "cloudformation/service.yaml", all)
}

// normal makes container definitions of both kinds comparable: CloudFormation has keys in
// upper case and texts as numbers. Environment variables have no order.
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if isVariable(v) {
			return [2]any{normal(first(v, "Name", "name")), normal(first(v, "Value", "value"))}
		}
		m := map[string]any{}
		for key, value := range v {
			m[strings.ToLower(key)] = normal(value)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i := range v {
			l[i] = normal(v[i])
		}
		slices.SortFunc(l, func(a, b any) int {
			x, ok := a.([2]any)
			y, both := b.([2]any)
			if !ok || !both {
				return 0
			}
			return strings.Compare(fmt.Sprint(x[0]), fmt.Sprint(y[0]))
		})
		return l
	}
	var document any
	if text, ok := v.(string); ok && strings.Contains(text, "\nexporters:") && yaml.Unmarshal([]byte(text), &document) == nil {
		return document // without its comments
	}
	return fmt.Sprint(v)
}

func isVariable(v map[string]any) bool {
	return len(v) == 2 && first(v, "Name", "name") != nil && first(v, "Value", "value") != nil
}

func first(v map[string]any, keys ...string) any {
	for _, key := range keys {
		if v[key] != nil {
			return v[key]
		}
	}
	return nil
}

// TestTemplatesAgree compares the containers of the CloudFormation template with those of
// the Terraform module.
func TestTemplatesAgree(t *testing.T) {
	for name, test := range map[string]struct {
		parameters map[string]string
		variables  []string
	}{
		"defaults": {},
		"shard": {
			map[string]string{"ShardIndex": "1", "ShardTotal": "3", "ScrapeInterval": "120s"},
			[]string{"shard_index=1", "shard_total=3", "scrape_interval=120s"},
		},
		"configuration from a parameter": {
			map[string]string{"ConfigValueFrom": parameter},
			[]string{"config_value_from=" + parameter},
		},
		"page and proxy": {
			map[string]string{"PageCidr": "10.0.0.0/8", "HttpsProxy": "http://proxy.example.org:3128"},
			[]string{"expose_page=true", "https_proxy=http://proxy.example.org:3128"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := normal(service(t, test.parameters).Property("TaskDefinition", "ContainerDefinitions")).([]any)
			for _, c := range got { // an empty list is no secrets
				if container := c.(map[string]any); container["secrets"] == nil && container["name"] == "exporter" {
					container["secrets"] = []any{}
				}
				c.(map[string]any)["logconfiguration"].(map[string]any)["options"].(map[string]any)["awslogs-group"] = "logs"
			}
			want := normal(templates.Outputs(t, "../terraform/modules/ecs-task", append(test.variables,
				"image="+image, "exporter_version="+version, "workspace_arn="+workspace, "region=eu-west-1", "log_group_name=logs")...)["container_definitions"])
			if !reflect.DeepEqual(any(got), want) {
				t.Errorf("CloudFormation has\n%s\nTerraform\n%s", text(t, got), text(t, want))
			}
		})
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// container returns a container of the service and its variables.
func container(t *testing.T, s *templates.Stack, name string) (definition map[string]any, variables map[string]string) {
	t.Helper()
	for _, c := range s.Property("TaskDefinition", "ContainerDefinitions").([]any) {
		if c := c.(map[string]any); c["Name"] == name {
			variables = map[string]string{}
			for _, v := range c["Environment"].([]any) {
				v := v.(map[string]any)
				variables[v["Name"].(string)] = fmt.Sprint(v["Value"])
			}
			return c, variables
		}
	}
	t.Fatalf("no container %s", name)
	return nil, nil
}

// TestNoTwoWriters holds the service to one task, which stops before the next starts, and
// two shards to different series.
func TestNoTwoWriters(t *testing.T) {
	s := service(t, nil)
	deployment := s.Property("Service", "DeploymentConfiguration").(map[string]any)
	if s.Property("Service", "DesiredCount") != "1" || deployment["MinimumHealthyPercent"] != "0" || deployment["MaximumPercent"] != "100" {
		t.Errorf("two tasks can run at once: %v", deployment)
	}
	instances := map[string]bool{}
	for _, shard := range []string{"0", "1"} {
		_, variables := container(t, service(t, map[string]string{"ShardIndex": shard, "ShardTotal": "2"}), "collector")
		instances[variables["INSTANCE"]] = true
	}
	if len(instances) != 2 {
		t.Errorf("two shards are the instances %v", instances)
	}
}

// TestHealthChecksRunWithoutShell runs the exporter's, and requires that it does not wait
// for the first sweep.
func TestHealthChecksRunWithoutShell(t *testing.T) {
	for _, name := range []string{"exporter", "collector"} {
		definition, _ := container(t, service(t, nil), name)
		command := definition["HealthCheck"].(map[string]any)["Command"].([]any)
		if command[0] != "CMD" || slices.Contains(command, any("--ready")) || definition["ReadonlyRootFilesystem"] != "true" {
			t.Errorf("%s: %v", name, definition)
		}
	}
}

// TestExporterAcceptsConfiguration parses the default of both kinds of templates, and
// requires that every variable belongs to a flag.
func TestExporterAcceptsConfiguration(t *testing.T) {
	_, variables := container(t, service(t, nil), "exporter")
	if _, err := config.Parse("Config", []byte(variables["ACCESS_ANALYZER_EXPORTER_CONFIG"])); err != nil {
		t.Error(err)
	}
	for name, value := range variables {
		t.Setenv(name, value)
	}
	t.Setenv("ACCESS_ANALYZER_EXPORTER_CONFIG", "sweep: {interval: soon}")
	var out lab.Buffer
	if code := cli.Run(t.Context(), nil, &out, &out); code != 1 || !strings.Contains(out.String(), "ACCESS_ANALYZER_EXPORTER_CONFIG:1: sweep.interval") ||
		strings.Contains(out.String(), "belongs to no flag") {
		t.Errorf("exit code %d:\n%s", code, out.String())
	}
}

func TestRoles(t *testing.T) {
	s := service(t, map[string]string{"ConfigValueFrom": parameter})
	for what, want := range map[string]string{
		"RemoteWritePolicy": `[{"Action":"aps:RemoteWrite","Effect":"Allow","Resource":"` + workspace + `","Sid":"WriteMetrics"}]`,
	} {
		b, err := json.Marshal(s.Property(what, "PolicyDocument", "Statement"))
		if err != nil || string(b) != want {
			t.Errorf("%s is %s, want %s (%v)", what, b, want, err)
		}
	}
	if roles := s.Property("RemoteWritePolicy", "Roles").([]any); len(roles) != 1 || roles[0] != "access-analyzer-exporter-hub" {
		t.Errorf("the policy is attached to %v", roles)
	}
	execution := text(t, s.Property("ExecutionRole", "Policies"))
	if !strings.Contains(execution, parameter) {
		t.Errorf("the execution role cannot read the configuration:\n%s", execution)
	}
}

// TestAlarm requires an alarm on a metric of standard Container Insights, about the service
// of the stack, and only with a topic.
func TestAlarm(t *testing.T) {
	if service(t, nil).Created("Alarm") {
		t.Error("an alarm without a topic")
	}
	topic := "arn:aws:sns:eu-west-1:111122223333:page"
	s := service(t, map[string]string{"AlarmTopicArn": topic})
	insights := text(t, s.Property("Cluster", "ClusterSettings"))
	if !s.Created("Alarm") || s.Property("Alarm", "MetricName") != "RunningTaskCount" || !strings.Contains(insights, "value: enabled") && !strings.Contains(insights, "Value: enabled") {
		t.Errorf("metric %v, Container Insights %s", s.Property("Alarm", "MetricName"), insights)
	}
	if actions := s.Property("Alarm", "AlarmActions").([]any); len(actions) != 1 || actions[0] != topic {
		t.Errorf("actions %v", actions)
	}
	if policy := text(t, templates.Load(t, "cloudformation/workspace.yaml", nil).Property("TopicPolicy", "PolicyDocument")); !strings.Contains(policy, "cloudwatch.amazonaws.com") {
		t.Errorf("alarms cannot publish to the topics:\n%s", policy)
	}
	module := string(read(t, "../terraform/modules/ecs/main.tf"))
	for _, line := range []string{`metric_name       = "RunningTaskCount"`, `treat_missing_data  = "breaching"`, "alarm_actions       = var.alarm_topic_arns"} {
		if !strings.Contains(module, line) {
			t.Errorf("the Terraform module does not have %s", line)
		}
	}
	// Only enhanced Container Insights has it.
	for _, file := range []string{"cloudformation/service.yaml", "../terraform/modules/ecs/main.tf", "README.md"} {
		if bytes.Contains(read(t, file), []byte("UnHealthyContainerHealthStatus")) {
			t.Errorf("%s names a metric that the cluster does not have", file)
		}
	}
}

// TestParametersAreValidated compares the patterns of both kinds of templates, and tries
// what users passed by mistake.
func TestParametersAreValidated(t *testing.T) {
	template, variables := string(read(t, "cloudformation/service.yaml")), string(read(t, "../terraform/modules/ecs/variables.tf"))
	const secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:exporter-AbCdEf"
	for parameter, test := range map[string]struct {
		variable     string
		valid, wrong []string
	}{
		"ConfigValueFrom": {"config_value_from", []string{"", parameter, secret}, []string{"exporter", secret + ":config::", "arn:aws:s3:::bucket/config.yaml"}},
		"TaskRoleArn":     {"task_role_arn", []string{"arn:aws:iam::111122223333:role/hub"}, []string{"hub", "arn:aws:iam::111122223333:role/path/hub"}},
		"WorkspaceArn":    {"workspace_arn", []string{workspace, "arn:aws-us-gov:aps:us-gov-west-1:111122223333:workspace/ws-1"}, []string{"ws-1a2b3c"}},
	} {
		m := regexp.MustCompile(`\n  ` + parameter + `:\n(?:    .*\n)*?    AllowedPattern: "(.*)"`).FindStringSubmatch(template)
		v := regexp.MustCompile(`regex\("\^\((.*)\)\$", var\.` + test.variable + `\)`).FindStringSubmatch(variables)
		if m == nil || v == nil || m[1] != v[1] {
			t.Errorf("%s has the pattern %q, %s %q", parameter, m, test.variable, v)
			continue
		}
		pattern := regexp.MustCompile("^(?:" + m[1] + ")$")
		for _, value := range test.valid {
			if !pattern.MatchString(value) {
				t.Errorf("%s rejects %q", parameter, value)
			}
		}
		for _, value := range test.wrong {
			if pattern.MatchString(value) {
				t.Errorf("%s accepts %q", parameter, value)
			}
		}
	}
}

// definition is an Alertmanager definition of Amazon Managed Service for Prometheus.
type definition struct {
	Config    string            `yaml:"alertmanager_config"`
	Templates map[string]string `yaml:"template_files"`
}

// alertmanager returns the definition of the CloudFormation template.
func alertmanager(t *testing.T) (definition, string) {
	t.Helper()
	s := templates.Load(t, "cloudformation/workspace.yaml", nil)
	source := s.Property("Workspace", "AlertManagerDefinition").(string)
	var d definition
	if err := yaml.Unmarshal([]byte(source), &d); err != nil {
		t.Fatal(err)
	}
	return d, source
}

// TestAlertmanagerDefinition compares the template with alertmanager.yaml, which
// Terraform uses, has amtool validate it, and compares the routes with those of
// deploy/alertmanager.
func TestAlertmanagerDefinition(t *testing.T) {
	d, source := alertmanager(t)
	b, err := os.ReadFile("alertmanager.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, file, _ := strings.Cut(string(b), "\nalertmanager_config:")
	file = strings.NewReplacer("${Region}", "eu-west-1", "${PageTopic}", "PageTopic", "${TicketTopic}", "TicketTopic").Replace("alertmanager_config:" + file)
	if file != source {
		t.Errorf("alertmanager.yaml is\n%s\nthe template has\n%s", file, source)
	}
	directory := t.TempDir()
	for name, content := range d.Templates {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	topics := strings.NewReplacer("PageTopic", "arn:aws:sns:eu-west-1:111122223333:page", "TicketTopic", "arn:aws:sns:eu-west-1:111122223333:ticket")
	path := filepath.Join(directory, "alertmanager.yml")
	if err := os.WriteFile(path, []byte(topics.Replace(d.Config)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), tool.Path(t, "amtool"), "check-config", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for _, key := range []string{"route", "inhibit_rules"} {
		if got, want := section(t, []byte(d.Config), key), section(t, read(t, "../alertmanager/alertmanager.yml"), key); !reflect.DeepEqual(got, want) {
			t.Errorf("%s differs from deploy/alertmanager", key)
		}
	}
	for _, receiver := range section(t, []byte(d.Config), "receivers").([]any) {
		for kind := range receiver.(map[string]any) {
			if kind != "name" && kind != "sns_configs" && kind != "pagerduty_configs" {
				t.Errorf("%s is not supported", kind)
			}
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func section(t *testing.T, document []byte, key string) any {
	t.Helper()
	var all map[string]any
	if err := yaml.Unmarshal(document, &all); err != nil {
		t.Fatal(err)
	}
	if all[key] == nil {
		t.Fatalf("no %s", key)
	}
	return all[key]
}

// TestMessageLinks renders a message whose first alert has a link to the exporter.
func TestMessageLinks(t *testing.T) {
	d, _ := alertmanager(t)
	message := template.New("")
	for _, text := range d.Templates {
		template.Must(message.Parse(text))
	}
	type alert struct {
		Status, StartsAt string
		Annotations      map[string]string
	}
	var b strings.Builder
	if err := message.ExecuteTemplate(&b, "message", map[string]any{"Alerts": []alert{
		{Annotations: map[string]string{"runbook_url": "https://r/1", "exporter_url": "https://e/1"}},
		{Annotations: map[string]string{"runbook_url": "https://r/2"}},
	}}); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); !strings.Contains(got, "\nRunbook: https://r/1\nDetails: https://e/1\n") || !strings.Contains(got, "\nRunbook: https://r/2\n\n") {
		t.Errorf("the message is\n%s", got)
	}
}

// TestSubjects renders the subject of every alert: SNS requires ASCII and at most 100
// characters, and replaces others by an error.
func TestSubjects(t *testing.T) {
	d, _ := alertmanager(t)
	subject := template.New("")
	for _, text := range d.Templates {
		template.Must(subject.Parse(text))
	}
	alert := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`)
	names := alert.FindAllStringSubmatch(string(read(t, "../prometheus/rules.yaml")), -1)
	if len(names) < 20 {
		t.Fatalf("only %d alerts", len(names))
	}
	for _, m := range names {
		var b bytes.Buffer
		err := subject.ExecuteTemplate(&b, "subject", map[string]any{
			"Status":       "resolved",
			"CommonLabels": map[string]string{"alertname": m[1], "severity": "critical", "account_name": strings.Repeat("×", 100)},
			"Alerts":       make([]int, 10_000),
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(b.String()) > 100 || strings.ContainsFunc(b.String(), func(r rune) bool { return r > unicode.MaxASCII || unicode.IsControl(r) }) {
			t.Errorf("%s: %d characters or not ASCII: %q", m[1], b.Len(), b.String())
		}
	}
}
