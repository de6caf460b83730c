//! The command `holdall`.

mod cli;
mod profile;

fn main() -> std::process::ExitCode {
    cli::run()
}
