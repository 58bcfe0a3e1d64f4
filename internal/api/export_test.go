package api

// Route is a route of the table as a test sees it.
type Route struct {
	Method, Path string
	Role         Role
}

// Routes lists the table.
func Routes() []Route {
	var list []Route
	for _, r := range (&Server{}).routes() {
		list = append(list, Route{r.method, r.path, r.role})
	}
	return list
}

// Document is what GET /api/v1/openapi.yaml answers.
func Document() []byte { return document }

// Tire has the server give nobody who has asked too often another turn, however long it takes to ask.
func Tire(s *Server) { s.limits.refill = 1e-6 }
