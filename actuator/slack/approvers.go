package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"
)

// membersFor is how long the members of a group are believed.
const membersFor = 5 * time.Minute

// approvers knows who may decide.
type approvers struct {
	users, groups []string
	line          *line

	mu      sync.Mutex
	members map[string]membership
}

type membership struct {
	users []string
	at    time.Time
}

func newApprovers(users, groups []string, l *line) *approvers {
	return &approvers{users: users, groups: groups, line: l, members: map[string]membership{}}
}

// refuses says why the user may not decide, or "". Who cannot be looked up may not.
func (a *approvers) refuses(ctx context.Context, user string, now time.Time) string {
	if slices.Contains(a.users, user) {
		return ""
	}
	var unknown []error
	for _, group := range a.groups {
		users, err := a.membersOf(ctx, group, now)
		if err != nil {
			unknown = append(unknown, err)
			continue
		}
		if slices.Contains(users, user) {
			return ""
		}
	}
	if len(unknown) > 0 {
		return fmt.Sprintf("Sorry, I cannot tell whether you may decide this: Slack does not say who is in the user groups (%s). Please try again in a moment, or use `evenkeel approve`.", escape(errors.Join(unknown...).Error()))
	}
	return "Sorry, you may not decide this. " + a.whoMay() + " may."
}

// whoMay names those who may decide, as Slack shows names; it notifies nobody in an ephemeral message.
func (a *approvers) whoMay() string {
	var who []string
	for _, u := range a.users {
		who = append(who, "<@"+escape(u)+">")
	}
	for _, g := range a.groups {
		who = append(who, "<!subteam^"+escape(g)+">")
	}
	return strings.Join(who, ", ")
}

// membersOf asks Slack once in a while. A second click waits for the first one's answer.
func (a *approvers) membersOf(ctx context.Context, group string, now time.Time) ([]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m, ok := a.members[group]; ok && now.Sub(m.at) < membersFor {
		return m.users, nil
	}
	var users []string
	err := a.line.call(ctx, listGroup, func(ctx context.Context, api *slack.Client) (err error) {
		users, err = api.GetUserGroupMembersContext(ctx, group)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", group, err)
	}
	a.members[group] = membership{users: users, at: now}
	return users, nil
}
