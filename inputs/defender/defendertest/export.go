package defendertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// filesPath is where the files of exports are, which in truth are another
// service's.
const filesPath = "/tvm-export/"

// ExpireLinks ends the validity of all links to files.
func (t *Tenant) ExpireLinks() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.linkEpoch++
}

// serveIndex names the files of an assessment. A link is good for an hour, or for
// so many as the request says.
func (t *Tenant) serveIndex(e *exchange, table *table) {
	hours := 1
	for name, v := range e.request.URL.Query() {
		var err error
		if hours, err = strconv.Atoi(v[0]); err != nil || name != "sasValidHours" || hours < 1 || hours > 6 {
			e.fail(http.StatusBadRequest, "BadRequest", "The query is not valid.")
			return
		}
	}
	expires := t.Now().Add(time.Duration(hours) * time.Hour)
	t.mu.Lock()
	generation := len(table.changes)
	t.mu.Unlock()
	made := t.made()
	var answer struct {
		Context string   `json:"@odata.context"`
		Files   []string `json:"exportFiles"`
		Made    string   `json:"generatedTime"`
	}
	answer.Context = e.origin() + "/api/$metadata#microsoft.windowsDefenderATP.api.ExportFilesResponse"
	answer.Made = made.Add(time.Duration(generation) * time.Second).Format(time.RFC3339) // another one for other contents
	answer.Files = []string{}
	for from := 0; from < table.rows; from += t.options.RowsPerFile {
		path := fmt.Sprintf("%s%s/%s/json/OrgId=%s/%d/part-%05d.json.gz", filesPath, made.Format("2006-01-02/1504"),
			assessmentKinds[table.kind].folder, t.options.TenantID, generation, from/t.options.RowsPerFile)
		answer.Files = append(answer.Files, e.origin()+path+"?"+t.sign(path, expires).Encode())
	}
	body, _ := json.Marshal(answer) // it can be
	e.text(http.StatusOK, "application/json; odata.metadata=minimal", string(body))
}

// sign is the query of a link: anyone who has it may read the file until it expires.
func (t *Tenant) sign(path string, expires time.Time) url.Values {
	t.mu.Lock()
	epoch := t.linkEpoch
	t.mu.Unlock()
	sum := t.options.Seed + uint64(epoch)<<32 + uint64(expires.Unix())
	for _, c := range path {
		sum = scatter(sum ^ uint64(c))
	}
	return url.Values{
		"sv": {"2020-08-04"}, "sr": {"b"}, "sp": {"r"}, "se": {expires.UTC().Format(time.RFC3339)},
		"sig": {fmt.Sprintf("sig%016x+/=", sum)},
	}
}

// serveFile answers with a file, compressed. It takes no token: one that was sent
// all the same is refused.
func (t *Tenant) serveFile(e *exchange) {
	query := e.request.URL.Query()
	expires, err := time.Parse(time.RFC3339, query.Get("se"))
	switch {
	case e.request.Header.Get("Authorization") != "":
		e.storageError(http.StatusBadRequest, "InvalidAuthenticationInfo", "Authentication information is not given in the correct format.")
		return
	case err != nil || query.Get("sig") != t.sign(e.request.URL.Path, expires).Get("sig") || !t.Now().Before(expires):
		e.storageError(http.StatusForbidden, "AuthenticationFailed", "Server failed to authenticate the request. Signature not valid in the specified key time frame.")
		return
	}
	table, generation, part := t.file(e.request.URL.Path)
	if table == nil {
		e.storageError(http.StatusNotFound, "BlobNotFound", "The specified blob does not exist.")
		return
	}
	e.Header().Set("Content-Type", "application/octet-stream")
	e.WriteHeader(http.StatusOK)
	b := &body{exchange: e, buffer: make([]byte, 0, 2*flushAt)}
	for _, r := range e.rules {
		b.obey(r)
	}
	t.writeFile(b, table, generation, part)
}

func (t *Tenant) writeFile(b *body, table *table, generation, part int) {
	z, _ := gzip.NewWriterLevel((*bodyWriter)(b), gzip.BestSpeed) // it is a level
	w := rowWriter{file: true}
	for n := part * t.options.RowsPerFile; n < min((part+1)*t.options.RowsPerFile, table.rows) && !b.done; n++ {
		t.mu.Lock()
		r := table.at(uint32(n), generation)
		t.mu.Unlock()
		if r.gone {
			continue
		}
		b.entry.Records++
		w.b = w.b[:0]
		w.row(r)
		w.b = append(w.b, '\n')
		_, _ = z.Write(w.b) // fails only when nobody reads any more
	}
	_ = z.Close()
	b.flush()
	if hook := t.hook(); hook != nil {
		hook(b.entry)
	}
}

// file is what a path names: an assessment after so many changes, and a part of it.
func (t *Tenant) file(path string) (table *table, generation, part int) {
	parts := strings.Split(strings.TrimPrefix(path, filesPath), "/")
	if len(parts) != 7 {
		return nil, 0, 0
	}
	generation, err := strconv.Atoi(parts[5])
	if _, scan := fmt.Sscanf(parts[6], "part-%d.json.gz", &part); scan != nil || err != nil {
		return nil, 0, 0
	}
	for kind := range assessmentKinds {
		if assessmentKinds[kind].folder == parts[2] {
			return t.tables[kind], generation, part
		}
	}
	return nil, 0, 0
}

// storageError is an error as the storage service words it.
func (e *exchange) storageError(status int, code, message string) {
	e.text(status, "application/xml", `<?xml version="1.0" encoding="utf-8"?><Error><Code>`+code+`</Code><Message>`+message+`</Message></Error>`)
}

// bodyWriter collects what is written, as a body sends it.
type bodyWriter body

// Write implements io.Writer.
func (w *bodyWriter) Write(p []byte) (int, error) {
	b := (*body)(w)
	b.buffer = append(b.buffer, p...)
	if len(b.buffer) >= flushAt {
		b.flush()
	}
	return len(p), nil
}
