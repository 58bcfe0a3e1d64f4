package api

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// explain says of one VM or host, which the parameter subject names, why what is advised is advised, or why
// nothing is.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	subject := r.URL.Query().Get("subject")
	if subject == "" {
		fail(w, http.StatusBadRequest, errors.New("subject: is missing; name a host or a VM"), nil)
		return
	}
	j, ok := s.judgement(w, r)
	if !ok {
		return
	}
	e, err := j.Explain(subject, s.board.Policy())
	if err != nil {
		fail(w, http.StatusNotFound, err, nil)
		return
	}
	answer(w, e)
}

// place says where a VM, which the parameter vm describes as the snapshot file does, should start.
func (s *Server) place(w http.ResponseWriter, r *http.Request) {
	vm, err := decodeVM(r.URL.Query().Get("vm"))
	if err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("vm: %w; describe it as the snapshot file does", err), nil)
		return
	}
	j, ok := s.judgement(w, r)
	if !ok {
		return
	}
	if len(j.Snapshot.FindVMs(vm.ID)) > 0 {
		fail(w, http.StatusConflict, fmt.Errorf("there is a VM %q already", vm.ID), nil)
		return
	}
	policy := s.board.Policy().Plan
	switch text := r.URL.Query().Get("ignore_admission"); text {
	case "", "false":
	case "true":
		policy.IgnoreAdmission = true
	default:
		fail(w, http.StatusBadRequest, fmt.Errorf("ignore_admission: %q is neither true nor false", text), nil)
		return
	}
	answer(w, plan.Place(j.Snapshot, j.Findings, policy, vm))
}

// decodeVM reads a VM that runs nowhere yet, as strictly as one of a snapshot file.
func decodeVM(text string) (cluster.VM, error) {
	vm, err := decodeOne[cluster.VM]([]byte(text))
	if err != nil {
		return vm, err
	}
	vm.Host, vm.MigratingTo = "", ""
	if vm.VCPUs < 1 || vm.MemoryBytes < 1 {
		return vm, fmt.Errorf("%d vCPUs and %d bytes of memory; both must be more than 0", vm.VCPUs, vm.MemoryBytes)
	}
	alone := cluster.Snapshot{At: time.Unix(0, 0), VMs: []cluster.VM{vm}}
	return vm, alone.Validate()
}
