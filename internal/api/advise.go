package api

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// explain says of one VM or host, which the parameter subject names, why what is advised is advised, or why
// nothing is.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	j, ok := s.judgement(w, r)
	if !ok {
		return
	}
	e, err := j.Explain(r.URL.Query().Get("subject"), s.board.Policy())
	if err != nil {
		fail(w, http.StatusNotFound, err, nil)
		return
	}
	answer(w, e)
}

// place says where a VM, which the parameter vm describes as the snapshot file does, should start.
func (s *Server) place(w http.ResponseWriter, r *http.Request) {
	var vm cluster.VM
	if err := json.Unmarshal([]byte(r.URL.Query().Get("vm")), &vm); err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("vm: %w; describe it as the snapshot file does", err), nil)
		return
	}
	if vm.VCPUs < 1 || vm.MemoryBytes < 1 {
		fail(w, http.StatusBadRequest, fmt.Errorf("vm: %d vCPUs and %d bytes of memory; both must be more than 0", vm.VCPUs, vm.MemoryBytes), nil)
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
	answer(w, plan.Place(j.Snapshot, j.Findings, s.board.Policy().Plan, vm))
}
