package plan

import "container/heap"

// arrangement brings moves into an order. The gain of a move changes only when another one touches one of its
// hosts, so only those are looked at again.
type arrangement struct {
	w      *work
	want   map[int]int
	sign   float64
	gain   map[int]float64
	at     map[int]int   // where each VM stands in the heap, -1 for not in it
	list   []int         // the heap
	by     map[int][]int // of each host, the VMs that leave or come
	parked map[int][]int // of each host, the VMs that wait for room on it
}

// arrange carries the moves out one by one, those with the largest gains first (sign 1) or those with the
// smallest (sign -1). Each must be legal when its turn comes and gain at least so much after its cost; what
// is not, or gains less, waits for others and is left out in the end.
func arrange(w *work, want map[int]int, least, sign float64) []move {
	a := &arrangement{w: w, want: want, sign: sign, gain: map[int]float64{}, at: map[int]int{}, by: map[int][]int{}, parked: map[int][]int{}}
	for _, v := range sortedKeys(want) {
		from, to := w.place.At(v), want[v]
		a.gain[v] = w.gain(v, to) - w.price(v)
		a.at[v] = len(a.list)
		a.list = append(a.list, v)
		a.by[from], a.by[to] = append(a.by[from], v), append(a.by[to], v)
	}
	heap.Init(a)
	var order []move
	for len(a.list) > 0 {
		v := a.list[0]
		to, from := want[v], w.place.At(v)
		if a.gain[v] < least || !w.place.Fits(v, to, w.policy.Limits) {
			heap.Pop(a)
			a.parked[to], a.parked[from] = append(a.parked[to], v), append(a.parked[from], v)
			continue
		}
		heap.Pop(a)
		delete(a.want, v)
		w.place.MoveAt(v, to)
		order = append(order, move{v, to})
		a.touched(from)
		a.touched(to)
	}
	return order
}

// touched looks again at the moves of the host.
func (a *arrangement) touched(h int) {
	for _, v := range a.by[h] {
		if _, left := a.want[v]; !left {
			continue
		}
		a.gain[v] = a.w.gain(v, a.want[v]) - a.w.price(v)
		if a.at[v] >= 0 {
			heap.Fix(a, a.at[v])
		}
	}
	for _, v := range a.parked[h] {
		if _, left := a.want[v]; left && a.at[v] < 0 {
			heap.Push(a, v)
		}
	}
	delete(a.parked, h)
}

// Len is part of heap.Interface, as are the four others.
func (a *arrangement) Len() int { return len(a.list) }

// Less puts the wanted end of the gains on top.
func (a *arrangement) Less(i, j int) bool {
	v, u := a.list[i], a.list[j]
	if x, y := a.sign*a.gain[v], a.sign*a.gain[u]; x != y {
		return x > y
	}
	return v < u
}

// Swap changes two places.
func (a *arrangement) Swap(i, j int) {
	a.list[i], a.list[j] = a.list[j], a.list[i]
	a.at[a.list[i]], a.at[a.list[j]] = i, j
}

// Push adds a VM.
func (a *arrangement) Push(x any) {
	a.at[x.(int)] = len(a.list)
	a.list = append(a.list, x.(int))
}

// Pop takes the last one away.
func (a *arrangement) Pop() any {
	v := a.list[len(a.list)-1]
	a.list = a.list[:len(a.list)-1]
	a.at[v] = -1
	return v
}
