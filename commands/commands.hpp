#pragma once

#include "options/options.hpp"

// The commands that touch the world. Each returns the exit code of the process; what it has to say
// is printed by then.

namespace dagz {

int run_command(const RunOptions& options);
int plan_command(const RunOptions& options);  // --plan
int report_command(const ReportOptions& options);
int jobs_command(const JobsOptions& options);
int logs_command(const LogsOptions& options);
int history_command(const HistoryOptions& options);
int serve_command(const ServeOptions& options);
int mesh_command(const MeshOptions& options);
int doctor_command(const DoctorOptions& options);

}  // namespace dagz
