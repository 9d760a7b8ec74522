package simaws_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"go.uber.org/goleak"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEnvironmentIsEnough(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	for name, value := range s.Env() {
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := aws.ToString(who.Arn), "arn:aws:iam::"+sdktest.Security+":user/exporter"; got != want {
		t.Errorf("caller is %s, want %s", got, want)
	}
}
