// kvcc check: diagnostics only.
#include "compiler/driver/Advice.h"
#include "tools/kvcc/Commands.h"
#include "tools/kvcc/SourceArguments.h"

#include <CLI/CLI.hpp>

namespace kv {

void addCheck(CLI::App &app, Command &chosen) {
  struct Arguments {
    SourceArguments source;
    bool json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App *command = app.add_subcommand("check", "read a .kv file and say what is wrong with it");
  arguments->source.declare(*command);
  command->add_flag("--json", arguments->json, "print the errors as a JSON array on standard output");
  command->callback([arguments, &chosen] {
    chosen = [arguments] {
      std::unique_ptr<Source> source = arguments->source.open(arguments->json);
      if (!source)
        return exitUserError;
      warnOfCaches(*source);
      return exitOk;
    };
  });
}

} // namespace kv
