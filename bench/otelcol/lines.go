package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"
)

type linesConfig struct {
	Path  string                                                   `mapstructure:"path"`
	Queue configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
}

// One line a record: its attributes as JSON where it has some, else its body.
type lines struct {
	path string
	mu   sync.Mutex
	file *os.File
	out  *bufio.Writer
}

func (l *lines) start(context.Context, component.Host) error {
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	l.file, l.out = file, bufio.NewWriterSize(file, 1<<18)
	return nil
}

func (l *lines) stop(context.Context) error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

func (l *lines) push(_ context.Context, logs plog.Logs) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ofResource := range logs.ResourceLogs().All() {
		for _, ofScope := range ofResource.ScopeLogs().All() {
			for _, record := range ofScope.LogRecords().All() {
				if err := l.line(record); err != nil {
					return err
				}
			}
		}
	}
	return l.out.Flush()
}

func (l *lines) line(record plog.LogRecord) error {
	if record.Attributes().Len() > 0 {
		text, err := json.Marshal(record.Attributes().AsRaw())
		if err != nil {
			return err
		}
		_, _ = l.out.Write(text)
	} else {
		_, _ = l.out.WriteString(record.Body().AsString())
	}
	return l.out.WriteByte('\n')
}

func linesFactory() exporter.Factory {
	return exporter.NewFactory(
		component.MustNewType("lines"),
		func() component.Config {
			return &linesConfig{Queue: configoptional.Default(exporterhelper.NewDefaultQueueConfig())}
		},
		exporter.WithLogs(
			func(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Logs, error) {
				l := &lines{path: config.(*linesConfig).Path}
				return exporterhelper.NewLogs(ctx, set, config, l.push,
					exporterhelper.WithQueue(config.(*linesConfig).Queue), exporterhelper.WithStart(l.start), exporterhelper.WithShutdown(l.stop))
			}, component.StabilityLevelDevelopment),
	)
}
