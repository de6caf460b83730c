//! The command `holdall`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
