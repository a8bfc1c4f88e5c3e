package stacktest

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"errata/internal/stack"
)

// Alertmanager starts a real Alertmanager with the text of its configuration file and returns its
// root URL. It ends with the test.
func Alertmanager(t testing.TB, config string) string {
	t.Helper()
	binary := ""
	for _, name := range []string{"alertmanager", "prometheus-alertmanager"} {
		if path, err := exec.LookPath(name); err == nil {
			binary = path
		}
	}
	if binary == "" {
		Must(t, &stack.Missing{Part: "there is no alertmanager on the PATH", Remedy: "apt-get install prometheus-alertmanager"})
	}
	dir := t.TempDir()
	file, addr := filepath.Join(dir, "alertmanager.yml"), FreeAddr(t)
	Must(t, os.WriteFile(file, []byte(config), 0o600))
	log, err := os.Create(filepath.Join(dir, "log"))
	Must(t, err)
	defer log.Close()
	cmd := exec.Command(binary, "--config.file="+file, "--storage.path="+dir, "--web.listen-address="+addr, "--cluster.listen-address=")
	cmd.Stdout, cmd.Stderr = log, log
	p, err := StartProcess(cmd)
	Must(t, err)
	t.Cleanup(func() {
		p.Kill()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Log(string(text))
		}
	})
	for range 600 {
		if resp, err := http.Get("http://" + addr + "/-/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return "http://" + addr
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("alertmanager does not become ready")
	return ""
}
