// Package helm looks at the Helm chart with Helm's own library and Kubernetes' own types. It is a module of its own, so that
// neither is one of evenkeel's dependencies. It needs bin/evenkeel and bin/evenkeel-exporter (make build).
package helm

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const (
	root      = "../../.."
	chartDir  = root + "/packaging/helm/evenkeel"
	release   = "r"
	namespace = "ns"
)

// types are what the chart may make, by kind.
var types = map[string]func() meta.Object{
	"apps/v1/StatefulSet":                     func() meta.Object { return new(apps.StatefulSet) },
	"apps/v1/DaemonSet":                       func() meta.Object { return new(apps.DaemonSet) },
	"v1/ConfigMap":                            func() meta.Object { return new(core.ConfigMap) },
	"v1/Service":                              func() meta.Object { return new(core.Service) },
	"v1/ServiceAccount":                       func() meta.Object { return new(core.ServiceAccount) },
	"policy/v1/PodDisruptionBudget":           func() meta.Object { return new(policy.PodDisruptionBudget) },
	"networking.k8s.io/v1/NetworkPolicy":      func() meta.Object { return new(networking.NetworkPolicy) },
	"monitoring.coreos.com/v1/ServiceMonitor": func() meta.Object { return new(monitoring.ServiceMonitor) },
}

// rendered is what one values file gives: each object by kind and name, and the notes.
type rendered struct {
	objects map[string]meta.Object
	notes   string
}

func read(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(text))
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	values, err := chartutil.ReadValues([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// render is what `helm template` does, schema included.
func render(values map[string]any) (map[string]string, error) {
	chart, err := loader.Load(chartDir)
	if err != nil {
		return nil, err
	}
	all, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: release, Namespace: namespace, IsInstall: true}, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(chart, all)
}

// objects decodes every object to Kubernetes' own type. A field that the type does not know fails the test.
func objects(t *testing.T, values map[string]any) rendered {
	t.Helper()
	files, err := render(values)
	if err != nil {
		t.Fatal(err)
	}
	r := rendered{objects: map[string]meta.Object{}}
	for name, text := range files {
		if path.Base(name) == "NOTES.txt" {
			r.notes = text
			continue
		}
		for doc := range strings.SplitSeq(text, "\n---\n") {
			var is meta.TypeMeta
			if err := yaml.Unmarshal([]byte(doc), &is); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, doc)
			}
			if is.Kind == "" {
				continue // nothing but comments
			}
			fresh := types[is.APIVersion+"/"+is.Kind]
			if fresh == nil {
				t.Fatalf("%s: the chart makes a %s of %s, which this test does not know", name, is.Kind, is.APIVersion)
			}
			object := fresh()
			if err := yaml.UnmarshalStrict([]byte(doc), object); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, doc)
			}
			key := is.Kind + "/" + object.GetName()
			if r.objects[key] != nil {
				t.Errorf("%s is made twice", key)
			}
			r.objects[key] = object
		}
	}
	return r
}

func get[T any](t *testing.T, r rendered, name string) T {
	t.Helper()
	key := reflect.TypeFor[T]().Elem().Name() + "/" + name
	object, ok := r.objects[key].(T)
	if !ok {
		t.Fatalf("there is no %s", key)
	}
	return object
}

// cases are the values files that come with the chart, by name.
func cases(t *testing.T) map[string]map[string]any {
	t.Helper()
	files, err := filepath.Glob(chartDir + "/ci/*-values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]any{}
	for _, file := range files {
		all[strings.TrimSuffix(filepath.Base(file), "-values.yaml")] = read(t, file)
	}
	if len(all) < 3 {
		t.Fatalf("of the values files only %d were found", len(all))
	}
	return all
}

func TestTheChartHasNoLint(t *testing.T) {
	for name, values := range cases(t) {
		for _, m := range lint.AllWithKubeVersion(chartDir, values, namespace, nil).Messages {
			if m.Severity > support.InfoSev {
				t.Errorf("%s: %s", name, m)
			}
		}
	}
	broken := lint.AllWithKubeVersion(chartDir, map[string]any{"replicas": "two"}, namespace, nil)
	if broken.HighestSeverity != support.ErrorSev {
		t.Error("lint finds nothing wrong with a number of replicas that is no number")
	}
}

// Every value that can be set is in the schema, and what the schema knows stands in values.yaml with its default.
func TestTheSchemaKnowsEveryValue(t *testing.T) {
	var schema struct {
		Properties map[string]any
	}
	text, err := os.ReadFile(chartDir + "/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	values := read(t, chartDir+"/values.yaml")
	for key := range values {
		if schema.Properties[key] == nil {
			t.Errorf("the schema does not know %s", key)
		}
	}
	for key := range schema.Properties {
		if _, ok := values[key]; !ok && !slices.Contains([]string{"global", "nameOverride", "fullnameOverride"}, key) { // Helm's own
			t.Errorf("values.yaml does not tell of %s", key)
		}
	}
}

func TestWhatIsRendered(t *testing.T) {
	for name, values := range cases(t) {
		t.Run(name, func(t *testing.T) {
			r := objects(t, values)
			set := get[*apps.StatefulSet](t, r, "r-evenkeel")
			restricted(t, set.Spec.Template.Spec)
			mounted(t, set.Spec.Template.Spec, set.Spec.VolumeClaimTemplates)
			server := set.Spec.Template.Spec.Containers[0]
			known(t, "evenkeel", server.Args)
			isChecked(t, lay(t, r, set))
			for key, o := range r.objects {
				if o.GetLabels()["app.kubernetes.io/instance"] != release {
					t.Errorf("%s does not bear the release's label", key)
				}
			}
			for _, service := range []string{"r-evenkeel", "r-evenkeel-servers"} {
				s := get[*core.Service](t, r, service)
				if !matches(s.Spec.Selector, set.Spec.Template.Labels) {
					t.Errorf("the service %s selects %v, and pods have %v", service, s.Spec.Selector, set.Spec.Template.Labels)
				}
			}
			if set.Spec.ServiceName != "r-evenkeel-servers" || !matches(set.Spec.Selector.MatchLabels, set.Spec.Template.Labels) {
				t.Errorf("the StatefulSet names the service %q and selects %v", set.Spec.ServiceName, set.Spec.Selector)
			}
			if d, ok := r.objects["DaemonSet/r-evenkeel-exporter"].(*apps.DaemonSet); ok {
				spec := d.Spec.Template.Spec
				hardened(t, spec)
				mounted(t, spec, nil)
				known(t, "evenkeel-exporter", spec.Containers[0].Args)
				for _, v := range spec.Containers[0].VolumeMounts {
					if !v.ReadOnly {
						t.Errorf("the exporter may write %s", v.MountPath)
					}
				}
				if s := get[*core.Service](t, r, "r-evenkeel"); matches(s.Spec.Selector, d.Spec.Template.Labels) {
					t.Error("the server's service selects the exporter's pods too")
				}
			}
		})
	}
}

func TestWhatDistinguishesTheCases(t *testing.T) {
	all := cases(t)
	one, two, exporter := objects(t, all["one"]), objects(t, all["two"]), objects(t, all["exporter"])

	set := get[*apps.StatefulSet](t, one, "r-evenkeel")
	if *set.Spec.Replicas != 1 || len(set.Spec.VolumeClaimTemplates) != 1 || set.Spec.Template.Spec.Containers[0].Image != "registry.example/evenkeel-server:development" {
		t.Errorf("one server: %+v", set.Spec)
	}
	if len(one.objects) != 5 { // without what is asked for: a ConfigMap, two Services, a ServiceAccount and the StatefulSet
		t.Errorf("one server: there are %d objects", len(one.objects))
	}
	if !strings.Contains(one.notes, "WARNING: the service speaks no TLS") || !strings.Contains(one.notes, "exec r-evenkeel-0 -- evenkeel status") {
		t.Errorf("one server: the notes say\n%s", one.notes)
	}

	set = get[*apps.StatefulSet](t, two, "r-evenkeel")
	container := set.Spec.Template.Spec.Containers[0]
	for _, want := range []string{"--store=etcds://etcd1.example:2379,etcd2.example:2379,etcd3.example:2379", "--peer.url=https://$(POD_NAME).r-evenkeel-servers.$(POD_NAMESPACE).svc:9178",
		"--store.tls.cert=/etc/evenkeel-etcd/tls.crt", "--store.password-file=/etc/evenkeel/etcd.password", "--web.config.file=/etc/evenkeel/web.yml", "--log.level=debug", "--prometheus.url=https://prometheus-1.example"} {
		if !slices.Contains(container.Args, want) {
			t.Errorf("two servers: the command line lacks %s: %q", want, container.Args)
		}
	}
	if *set.Spec.Replicas != 2 || len(set.Spec.VolumeClaimTemplates) != 0 || container.ReadinessProbe.HTTPGet.Scheme != core.URISchemeHTTPS || container.Image != "registry.example/evenkeel-server:1.2.3" {
		t.Errorf("two servers: %+v", set.Spec)
	}
	if budget := get[*policy.PodDisruptionBudget](t, two, "r-evenkeel"); budget.Spec.MaxUnavailable.IntValue() != 1 {
		t.Errorf("two servers: %+v", budget.Spec)
	}
	if np := get[*networking.NetworkPolicy](t, two, "r-evenkeel"); len(np.Spec.PolicyTypes) != 2 || len(np.Spec.Egress) != 3 {
		t.Errorf("two servers: %+v", np.Spec)
	}
	if m := get[*monitoring.ServiceMonitor](t, two, "r-evenkeel"); m.Spec.Endpoints[0].Port != get[*core.Service](t, two, "r-evenkeel").Spec.Ports[0].Name || m.Labels["release"] != "kube-prometheus" {
		t.Errorf("two servers: %+v", m)
	}
	if !strings.Contains(get[*core.ConfigMap](t, two, "r-evenkeel").Data["evenkeel.yml"], "key_file: definitions.key") {
		t.Error("two servers: the configuration does not name the key that they share")
	}
	if strings.Contains(two.notes, "WARNING") || !strings.Contains(two.notes, "r-evenkeel-0.r-evenkeel-servers.ns.svc") {
		t.Errorf("two servers: the notes say\n%s", two.notes)
	}

	if d := get[*apps.DaemonSet](t, exporter, "r-evenkeel-exporter"); !slices.Contains(d.Spec.Template.Spec.Containers[0].Args, "--no-collector.vm_dirty_rate") || d.Spec.Template.Spec.NodeSelector["example.org/hypervisor"] != "true" {
		t.Errorf("exporter: %+v", d.Spec.Template.Spec)
	}
	if np := get[*networking.NetworkPolicy](t, exporter, "r-evenkeel"); len(np.Spec.PolicyTypes) != 1 || len(np.Spec.Ingress[0].From) != 0 {
		t.Errorf("exporter: %+v", np.Spec)
	}
	if pvc := get[*apps.StatefulSet](t, exporter, "r-evenkeel").Spec.VolumeClaimTemplates[0]; *pvc.Spec.StorageClassName != "fast" || pvc.Spec.AccessModes[0] != core.ReadWriteOncePod {
		t.Errorf("exporter: %+v", pvc.Spec)
	}
}

// A value that would do harm or nothing is refused, in words that say what to do.
func TestRefusals(t *testing.T) {
	const ok = "image: {repository: r}\nconfig: {hosts: [{name: h, uri: 'qemu:///system', exporter: 'h:9177'}]}\n"
	if _, err := render(parse(t, ok)); err != nil {
		t.Fatalf("what all cases begin with is refused: %v", err)
	}
	for values, want := range map[string]string{
		"image: {repository: ''}\n":                         "image.repository is not set",
		"config: {hosts: []}\n":                             "config.hosts is empty",
		"replicas: 2\n":                                     "replicas is 2 and store.type is files.*set store.type to etcd, or replicas to 1",
		"replicas: 0\n":                                     "replicas",
		"replica: 2\n":                                      "additional properties 'replica' not allowed",
		"store: {etcd: {endpoint: [e]}}\n":                  "additional properties 'endpoint' not allowed",
		"store: {type: etcd}\n":                             "store.etcd.endpoints is empty",
		"store: {type: bbolt}\n":                            "store.type|/store/type",
		"persistence: {enabled: false}\n":                   "journal.*would be gone with the pod",
		"extraArgs: ['log.level=debug']\n":                  "extraArgs",
		"store: {type: etcd, etcd: {endpoints: ['e:1']}}\n": "definitionsKeySecret is not set",
		"store: {etcd: {endpoints: ['e:1']}}\n":             "store.type is files",
		"store: {type: etcd, etcd: {endpoints: ['http://e:1']}, definitionsKeySecret: k}\n":                          "does not match pattern",
		"store: {type: etcd, etcd: {endpoints: ['e:1'], user: u}, definitionsKeySecret: k}\n":                        "store.etcd.passwordSecret",
		"store: {type: etcd, etcd: {endpoints: ['e:1'], tls: {clientCertificate: true}}, definitionsKeySecret: k}\n": "store.etcd.tls.secret",
		"exporter: {enabled: true}\n":                                      "exporter.image.repository is not set",
		"config: {hosts: [{name: h, uri: u}], automation: {level: off}}\n": "automation.*level",
		"config: {hosts: [{name: h, uri: u}], migration: {tls: off}}\n":    "migration.*tls",
		"config: {hosts: [{name: h}]}\n":                                   "uri",
		"persistence: {accessModes: [ReadWriteMany]}\n":                    "accessModes",
	} {
		merged := chartutil.CoalesceTables(parse(t, values), parse(t, ok))
		_, err := render(merged)
		if err == nil || !regexp.MustCompile(`(?is)`+want).MatchString(err.Error()) {
			t.Errorf("%s: want an error like %q, got: %v", strings.TrimSpace(values), want, err)
		}
	}
}

// The server runs with the command line and the configuration that the chart gives it, and answers where the probes ask.
func TestTheServerAnswersTheProbes(t *testing.T) {
	r := objects(t, cases(t)["one"])
	set := get[*apps.StatefulSet](t, r, "r-evenkeel")
	etc, data := lay(t, r, set), t.TempDir()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	container := set.Spec.Template.Spec.Containers[0]
	var args []string
	for _, a := range container.Args {
		args = append(args, strings.NewReplacer("/etc/evenkeel/", etc+"/", "/var/lib/evenkeel", data, "=:9178", "="+address).Replace(a))
	}
	var said bytes.Buffer
	cmd := exec.Command(root+"/bin/evenkeel", args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: run make build", err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it says that it was killed
	}()
	answers := func(probe *core.Probe, code int) {
		t.Helper()
		var got string
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			res, err := http.Get("http://" + address + probe.HTTPGet.Path)
			if err != nil {
				got = err.Error()
				continue
			}
			_ = res.Body.Close()
			if got = res.Status; res.StatusCode == code {
				return
			}
		}
		t.Fatalf("%s says %s, want %d\n%s", probe.HTTPGet.Path, got, code, &said)
	}
	answers(container.StartupProbe, http.StatusOK)
	answers(container.LivenessProbe, http.StatusOK)
	answers(container.ReadinessProbe, http.StatusOK) // once the first pass has ended, whatever it found of hosts that do not exist
}

// The packed chart is the chart, with the version of the programs.
func TestTheChartIsPacked(t *testing.T) {
	for described, want := range map[string]string{"v1.2.3": "1.2.3", "v1.2.3-rc.1-4-gabc1234": "1.2.3-rc.1-4-gabc1234", "abc1234-dirty": "0.0.0-git.abc1234-dirty"} {
		packed := strings.TrimSpace(run(t, root, root+"/packaging/helm/build", described))
		chart, err := loader.LoadFile(filepath.Join(root, packed))
		if err != nil {
			t.Fatal(err)
		}
		if err := chart.Validate(); err != nil {
			t.Error(err)
		}
		if chart.Metadata.Version != want || chart.Metadata.AppVersion != strings.TrimPrefix(described, "v") || filepath.Base(packed) != "evenkeel-"+want+".tgz" {
			t.Errorf("of %s the chart %s became, version %s of %s", described, packed, chart.Metadata.Version, chart.Metadata.AppVersion)
		}
		if len(chart.Templates) < 8 || len(chart.Schema) == 0 || slices.ContainsFunc(chart.Files, func(f *helm.File) bool { return strings.HasPrefix(f.Name, "ci/") }) {
			t.Errorf("%s holds %d templates and %d bytes of schema, and other files: %v", packed, len(chart.Templates), len(chart.Schema), chart.Files)
		}
	}
	run(t, root, root+"/packaging/helm/build") // what was there before
}

// restricted holds a pod against the Pod Security Standard of that name.
func restricted(t *testing.T, pod core.PodSpec) {
	t.Helper()
	hardened(t, pod)
	if pod.HostNetwork || pod.HostPID || pod.HostIPC {
		t.Error("the pod uses what is the node's")
	}
	for _, v := range pod.Volumes {
		if v.HostPath != nil {
			t.Errorf("the volume %s is the node's", v.Name)
		}
	}
}

// hardened is what the exporter's pods must have too, which look at the node.
func hardened(t *testing.T, pod core.PodSpec) {
	t.Helper()
	s := pod.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || *s.RunAsUser == 0 || s.SeccompProfile == nil || s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Errorf("the pod's security context is %+v", s)
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Error("the pod gets a token for Kubernetes")
	}
	for _, c := range pod.Containers {
		s := c.SecurityContext
		if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
			s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || len(s.Capabilities.Add) != 0 {
			t.Errorf("the security context of %s is %+v", c.Name, s)
		}
	}
}

// mounted looks whether every volume is mounted and every mount has a volume.
func mounted(t *testing.T, pod core.PodSpec, claims []core.PersistentVolumeClaim) {
	t.Helper()
	var have, used []string
	for _, v := range pod.Volumes {
		have = append(have, v.Name)
	}
	for _, c := range claims {
		have = append(have, c.Name)
	}
	for _, m := range pod.Containers[0].VolumeMounts {
		used = append(used, m.Name)
	}
	slices.Sort(have)
	slices.Sort(used)
	if !slices.Equal(have, used) {
		t.Errorf("there are the volumes %q, mounted are %q", have, used)
	}
}

func matches(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return len(selector) > 0
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	name, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out)
}

// known has the program itself parse the command line: --help, which stands last, is only come to when it knows all the others.
func known(t *testing.T, program string, args []string) {
	t.Helper()
	if out := run(t, ".", root+"/bin/"+program, append(slices.Clone(args), "--help")...); !strings.Contains(out, "Usage:") {
		t.Errorf("%s says %s", program, out)
	}
}

// lay writes what is mounted at /etc/evenkeel into a directory: the ConfigMap as it is, and a file for each key of a Secret that the
// configuration names.
func lay(t *testing.T, r rendered, set *apps.StatefulSet) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	i := slices.IndexFunc(set.Spec.Template.Spec.Volumes, func(v core.Volume) bool { return v.Name == "config" })
	projected := set.Spec.Template.Spec.Volumes[i].Projected
	if *projected.DefaultMode&0o007 != 0 {
		t.Errorf("everybody may read the secrets: mode %o", *projected.DefaultMode)
	}
	for _, source := range projected.Sources {
		switch {
		case source.ConfigMap != nil:
			for name, text := range get[*core.ConfigMap](t, r, source.ConfigMap.Name).Data {
				put(name, text)
			}
		case len(source.Secret.Items) > 0:
			for _, item := range source.Secret.Items {
				put(item.Path, strings.Repeat("0", 64))
			}
		default: // what is in it the user knows: see ci/two-values.yaml
			put(map[string]string{"evenkeel-bmc": "bmc.password", "evenkeel-tokens": "alice.token"}[source.Secret.Name], fmt.Sprintf("a secret of %s that is long", source.Secret.Name))
		}
	}
	return dir
}

func isChecked(t *testing.T, dir string) {
	t.Helper()
	run(t, dir, root+"/bin/evenkeel", "check-config", "evenkeel.yml")
}
