package stat

// Neighbours is what a host knows of the other hosts that it asks whether they answer.
type Neighbours struct {
	// Err says why not all are asked now; empty while they are.
	Err string
	// Peers are those of which something is known, by name.
	Peers []Neighbour
}

// Neighbour is another host that is asked.
type Neighbour struct {
	Host string
	// AgeSeconds is how long ago the host last answered, infinite for one that never did although it was
	// asked several times.
	AgeSeconds float64
}
