//! `holdall completions` and `holdall man`: what shells and `man` want to know of the command line.

use crate::cli::arguments::{Arguments, CompletionsArguments, ManArguments};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, exit};
use clap::CommandFactory;
use clap_mangen::Man;

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
    clap_mangen::generate_to(Arguments::command(), folder)
        .map_err(|error| Failure::io(folder, "write manual pages into", &error))?;
    Ok(exit::DONE)
}
