package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
)

// completionTimeout bounds the question for broadcasts: somebody waits at a
// prompt.
const completionTimeout = time.Second

// shells are those that completions can be made for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

// completionCommand returns the command that prints a shell's completions.
func completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the completions for bash, zsh, fish or powershell",
		Long: `Print the completions of a shell: commands, flags, and the broadcasts that the
server in the URL, or in MOQ_URL, announces; it is asked for at most a second, with
the token and the certificate authorities of the flags, or of MOQ_TOKEN and MOQ_CA.`,
		Example: `  source <(moq completion bash)
  moq completion zsh > "${fpath[1]}/_moq"
  moq completion fish > ~/.config/fish/completions/moq.fish`,
		Args:      exactly(1, "completion takes a shell: bash, zsh, fish or powershell"),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			if meant := nearest(args[0], shells); meant != "" {
				return usage("unknown shell %q: did you mean %s?", args[0], meant)
			}
			return usage("unknown shell %q: there are bash, zsh, fish and powershell", args[0])
		},
	}
}

// completePath completes the argument after the URL, or the first one where MOQ_URL
// stands for the URL, with the broadcasts that the server announces. What goes wrong
// completes nothing, and is not told.
func (o *options) completePath(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if !strings.Contains(typed, "://") { // else it is the URL that is typed
		args = withURL(args, 2)
	}
	if len(args) != 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	quiet := *o
	quiet.err, quiet.verbose, quiet.timeout = io.Discard, false, min(o.timeout, completionTimeout)
	// Standard input is the terminal's, and belongs to the shell.
	if from, _ := cmd.Flags().GetString("token"); from != "-" {
		quiet.bearer, _ = quiet.newBearer(from)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), quiet.timeout)
	defer cancel()
	return quiet.announcedPaths(ctx, args[0], typed), cobra.ShellCompDirectiveNoFileComp
}

// announcedPaths returns the paths that a server announces and that begin with
// what is typed, in order.
func (o *options) announcedPaths(ctx context.Context, url, typed string) []string {
	client, err := o.client()
	if err != nil {
		return nil
	}
	defer client.Close()
	session, err := o.dial(ctx, client, url, api.NewTrackMux())
	if err != nil {
		return nil
	}
	// Below the whole segments; the last one may be a part.
	announced, err := session.Announcements(ctx, typed[:strings.LastIndexByte(typed, '/')+1])
	if err != nil {
		return nil
	}
	defer announced.Close()
	var paths []string
	for {
		a, err := announced.Receive(ctx)
		if err != nil || a.Status == api.AnnouncementsComplete {
			slices.Sort(paths)
			return slices.Compact(paths)
		}
		// More than that nobody can choose from.
		if a.Status == api.AnnouncementActive && strings.HasPrefix(string(a.Path), typed) && len(paths) < 1000 {
			paths = append(paths, string(a.Path))
		}
	}
}
