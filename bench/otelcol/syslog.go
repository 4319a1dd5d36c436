package main

import (
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/stanza/adapter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/stanza/operator"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/stanza/operator/input/syslog"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver"
)

type syslogReceiver struct{}

type syslogConfig struct {
	adapter.BaseConfig `mapstructure:",squash"`
	InputConfig        syslog.Config `mapstructure:",squash"`
}

func (syslogReceiver) Type() component.Type { return component.MustNewType("syslog") }

func (syslogReceiver) CreateDefaultConfig() component.Config {
	return &syslogConfig{InputConfig: *syslog.NewConfig()}
}

func (syslogReceiver) BaseConfig(config component.Config) adapter.BaseConfig {
	return config.(*syslogConfig).BaseConfig
}

func (syslogReceiver) InputConfig(config component.Config) operator.Config {
	return operator.NewConfig(&config.(*syslogConfig).InputConfig)
}

func syslogFactory() receiver.Factory {
	return adapter.NewFactory(syslogReceiver{}, component.StabilityLevelBeta)
}
