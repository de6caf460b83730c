//! `holdall completions` and `holdall man`: what shells and `man` want to know of the command line.

use crate::cli::arguments::{Arguments, CompletionsArguments, ManArguments};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, exit};
use clap::CommandFactory;
use clap_mangen::Man;
use std::io;
use std::path::Path;

pub(crate) fn completions(context: &Context<'_>, arguments: &CompletionsArguments) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "holdall", &mut script);
    context.renderer.print_line(&script);
    Ok(exit::DONE)
}

pub(crate) fn man(context: &Context<'_>, arguments: &ManArguments) -> Result<u8, Failure> {
    let Some(folder) = &arguments.into else {
        let mut page = Vec::new();
        Man::new(Arguments::command())
            .render(&mut page)
            .map_err(|error| Failure::failed(format!("can't make the manual page: {error}")))?;
        context.renderer.print_line(&page);
        return Ok(exit::DONE);
    };
    std::fs::create_dir_all(folder).map_err(|error| Failure::io(folder, "make", &error))?;
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
    write_pages(&program, folder).map_err(|error| Failure::io(folder, "write manual pages into", &error))?;
    Ok(exit::DONE)
}

/// Writes the pages of a command and of those below it, all of which are of this program.
fn write_pages(command: &clap::Command, folder: &Path) -> io::Result<()> {
    let source = concat!("holdall ", env!("CARGO_PKG_VERSION"));
    Man::new(command.clone()).source(source).generate_to(folder)?;
    command.get_subcommands().try_for_each(|below| write_pages(below, folder))
}
