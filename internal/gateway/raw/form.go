package raw

import (
	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

// The two forms: the bare data, text and JSON as text and binary as binary; and the
// publication's JSON as text, see maru.Publication.AppendJSON.
var (
	bareForm = hub.Form{Name: "raw", Publication: func(_, _ string, p *maru.Publication) *loop.Message {
		op := frame.Text
		if p.Kind == maru.Binary {
			op = frame.Binary
		}
		return loop.NewKeyedMessage(op, p.Data, p.Key)
	}}
	publicationForm = hub.Form{Name: "publication", Publication: func(_, _ string, p *maru.Publication) *loop.Message {
		return loop.NewKeyedMessage(frame.Text, p.AppendJSON(nil), p.Key)
	}}
)
