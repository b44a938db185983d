// The subcommands of kvcc. `add...` declares one on the command line; when it is the one asked for, `chosen` becomes what runs it.
#ifndef KV_TOOLS_KVCC_COMMANDS_H
#define KV_TOOLS_KVCC_COMMANDS_H

#include <functional>

namespace CLI {
class App;
}

namespace kv {

enum ExitCode { exitOk = 0, exitUserError = 1, exitInternalError = 70 };

/// Runs a subcommand and returns the exit code.
using Command = std::function<int()>;

void addCompile(CLI::App &app, Command &chosen);
void addCheck(CLI::App &app, Command &chosen);
void addExplain(CLI::App &app, Command &chosen);
void addVerify(CLI::App &app, Command &chosen);
void addBench(CLI::App &app, Command &chosen);

} // namespace kv

#endif
